"""AWS's protocols, read and written as the services' models say."""
