"""What durable state costs, beside a server that syncs every write as well."""
