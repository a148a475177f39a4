"""A GitHub of one's own: repository, API, OIDC issuer and runner, on loopback, for rehearsals and for tests."""
