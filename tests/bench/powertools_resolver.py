"""The same with a boto3 client behind the event handler of Powertools for AWS Lambda."""

import os

import boto3
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

client = boto3.client("dynamodb")
app = APIGatewayHttpResolver()


@app.get("/welcome")
def welcome():
    item = client.get_item(TableName=os.environ["TABLE_NAME"], Key={"id": {"S": os.environ["MESSAGE_KEY"]}})["Item"]
    return {"message": item["message"]["S"]}


def handler(event, context):
    return app.resolve(event, context)
