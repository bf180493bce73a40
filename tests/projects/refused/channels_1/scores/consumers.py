from channels import Group


def ws_connect(message):
    message.reply_channel.send({"accept": True})
    Group("scores").add(message.reply_channel)


def ws_receive(message):
    Group("scores").send({"text": message.content["text"]})


def ws_disconnect(message):
    Group("scores").discard(message.reply_channel)
