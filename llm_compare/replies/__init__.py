"""What came back: kept verbatim, read as an answer."""
