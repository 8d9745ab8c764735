"""Ask models the questions that people were asked, and measure how far their choices are from people's."""
