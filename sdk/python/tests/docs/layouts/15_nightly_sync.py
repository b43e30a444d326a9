from bifrost import workflow, oauth
@workflow(execution_mode="scheduled", schedule="0 9 * * 1")
async def nightly_sync(ctx):
    # Even with automatic refresh, long workflows might hit timeout
    # Recommendation: Split into smaller pieces
    creds = await oauth.get_connection("HaloPSA")
