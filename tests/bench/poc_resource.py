"""The proof of concept's handler: a boto3 resource, and the message as JSON. What the service is measured against."""

import json
import os

import boto3

table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def handler(event, context):
    item = table.get_item(Key={"id": os.environ["MESSAGE_KEY"]})["Item"]
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps({"message": item["message"]}),
    }
