"""How EKS says what a FargateProfile says, and back."""
