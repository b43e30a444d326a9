from bifrost import integrations
