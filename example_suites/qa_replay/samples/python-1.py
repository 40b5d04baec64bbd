"""Counts words."""

from collections import Counter


def words(text):
    # whatever stands between blanks
    return text.lower().split()


def most_common(text, number=3):
    return Counter(words(text)).most_common(number)
