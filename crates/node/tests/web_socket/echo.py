"""An MQTT client that is not our own, over WebSocket. It subscribes to ws/#, says so, sends itself messages at every
quality of service, and prints each message that it gets as topic, QoS and payload (of long ones the length). The message
`end` ends it in order."""

import sys

import paho.mqtt.client as mqtt


def on_connect(client, userdata, flags, reason, properties):
    print("connected", reason, flush=True)
    client.subscribe("ws/#", qos=2)


def on_subscribe(client, userdata, packet_id, reasons, properties):
    print("subscribed", flush=True)
    for qos in (0, 1, 2):
        client.publish(f"ws/{qos}", "x" * (100_000 if qos == 2 else 5), qos=qos)


def on_message(client, userdata, message):
    payload = message.payload.decode()
    print(message.topic, message.qos, payload if len(payload) < 100 else len(payload), flush=True)
    if payload == "end":
        client.disconnect()


client = mqtt.Client("paho", protocol=mqtt.MQTTv5, transport="websockets")
client.ws_set_options(path="/mqtt")
client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
client.connect("127.0.0.1", int(sys.argv[1]))
client.loop_forever(retry_first_connection=False)
