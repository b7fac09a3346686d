#!/usr/bin/env python3
"""Checks OTLP/HTTP JSON bodies against the official Protobuf definitions.

usage: check.py traces|metrics < one JSON body per line

Prints, as JSON, what the official parser understood of each body. Fails on an unknown field, a wrong type, and on trace and
span ids that are not hex of the right length (JSON Protobuf would take them as base64; OTLP does not:
https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding).
Needs: pip install opentelemetry-proto
"""

import base64
import json
import re
import sys

from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

REQUESTS = {
    "traces": trace_service_pb2.ExportTraceServiceRequest,
    "metrics": metrics_service_pb2.ExportMetricsServiceRequest,
}
ID_DIGITS = {"traceId": 32, "spanId": 16, "parentSpanId": 16}


def hex_to_base64(node):
    if isinstance(node, list):
        for item in node:
            hex_to_base64(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in ID_DIGITS:
                if not re.fullmatch("[0-9a-f]{%d}" % ID_DIGITS[key], value) or not int(value, 16):
                    raise ValueError(f"{key} is '{value}', not {ID_DIGITS[key]} hex digits")
                node[key] = base64.b64encode(bytes.fromhex(value)).decode()
            else:
                hex_to_base64(value)


def main():
    request_type = REQUESTS[sys.argv[1]]
    bodies = 0
    for line in sys.stdin:
        body = json.loads(line)
        hex_to_base64(body)
        request = json_format.ParseDict(body, request_type(), ignore_unknown_fields=False)
        print(json.dumps(json_format.MessageToDict(request, preserving_proto_field_name=False), sort_keys=True))
        bodies += 1
    if bodies == 0:
        raise ValueError("no body was given")


if __name__ == "__main__":
    main()
