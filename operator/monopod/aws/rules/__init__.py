"""What several services of AWS's have alike: ARNs' beginnings, lists in pages."""
