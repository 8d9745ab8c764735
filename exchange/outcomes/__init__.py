"""What simulated runs did to whom: shares, waiting, ranks, differences between conditions."""
