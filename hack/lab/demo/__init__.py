"""From nothing to pods in kernels of their own: `hack/demo`."""
