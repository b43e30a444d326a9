await oauth.get_token("Microsoft_Graph", 'some-other-org-id')
