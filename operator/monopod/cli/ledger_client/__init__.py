"""How the commands about costs reach the ledger: through kubectl's port-forward, as whom the kubeconfig names."""
