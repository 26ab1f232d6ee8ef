"""Real clusters on this machine, with Docker (kind) and without: `hack/cluster`."""
