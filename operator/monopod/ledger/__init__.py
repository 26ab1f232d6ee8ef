"""The meter's process: it records when pods live, keeps that, and tells people what it costs."""
