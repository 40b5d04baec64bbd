"""A suite judged over a past: backtests of recordings and of what live servers still know."""
