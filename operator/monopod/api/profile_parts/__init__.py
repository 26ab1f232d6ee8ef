"""Parts of a FargateProfile's spec that belong to one capability each."""
