"""What trials say about groups: parity, rND, exposure, stability, and the tests that hold under repetition."""
