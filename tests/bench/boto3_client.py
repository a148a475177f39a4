"""The same with a boto3 client, which does without the resource's layer on top."""

import json
import os

import boto3

client = boto3.client("dynamodb")


def handler(event, context):
    item = client.get_item(TableName=os.environ["TABLE_NAME"], Key={"id": {"S": os.environ["MESSAGE_KEY"]}})["Item"]
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps({"message": item["message"]["S"]}),
    }
