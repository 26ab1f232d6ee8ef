"""Warm capacity, decided: how much is wanted, what is written for it, how much of it is there, and what it lacks."""
