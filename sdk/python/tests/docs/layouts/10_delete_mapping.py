deleted = await integrations.delete_mapping("HaloPSA", scope="org-123")
