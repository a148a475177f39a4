"""What the function answers until the first release: `initial.zip` holds this file, a test keeps the two equal."""


def handler(event, context):
    return {
        "statusCode": 503,
        "headers": {"content-type": "application/problem+json", "retry-after": "60", "cache-control": "no-store"},
        "body": '{"type":"about:blank","title":"Not released yet","status":503}',
    }
