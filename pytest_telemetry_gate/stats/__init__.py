"""Numbers in, estimates out: lines, intervals, forecasts; knows no gate."""
