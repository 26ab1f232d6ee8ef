"""What Monopod costs, measured: `hack/bench`."""
