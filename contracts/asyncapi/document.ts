/** The AsyncAPI 3.0 description of all topics, except those of internal entities. Pure. */
import { type JsonSchema, jsonSchemas, schemaRef } from "../entity/json-schema.ts";
import type { Project } from "../project.ts";
import type { TopicDeclaration } from "../topics.ts";
import { type Channel, channelsOf, commonChannels, type Message } from "./messages.ts";

const BINDING = "0.5.0";

/** Describes all topics. @param version version of Lockstep. */
export const asyncApi = (project: Project, version: string) => {
  const channels = [...project.entities.flatMap(channelsOf), ...commonChannels(project)];
  return {
    asyncapi: "3.0.0",
    info: {
      title: "Lockstep topics",
      version,
      description:
        "Each change of an entity is a CloudEvents 1.0 message in Kafka's binary mode. Its key is the entity's id, so " +
        "all messages of one entity are in one partition, in order. The setting KAFKA_BROKERS has the brokers' addresses.",
    },
    defaultContentType: "application/json",
    channels: Object.fromEntries(channels.map((channel) => [channel.topic.name, channelOf(channel)])),
    operations: Object.assign({}, ...channels.map(operationsOf)),
    components: {
      schemas: jsonSchemas(Object.assign({}, ...channels.map(({ messages }) => schemasOf(messages))), "draft-7"),
    },
  };
};

const schemasOf = (messages: Channel["messages"]) =>
  Object.fromEntries(
    Object.entries(messages).flatMap(([name, { headers, payload }]) => [
      [`${name}Headers`, headers],
      [`${name}Payload`, payload],
    ]),
  );

const channelOf = ({ topic, messages }: Channel) => ({
  address: topic.name,
  description: `Key: ${topic.key}. Value: ${topic.value}.`,
  messages: Object.fromEntries(Object.entries(messages).map(([name, message]) => [name, messageOf(name, message)])),
  bindings: { kafka: { topic: topic.name, topicConfiguration: configuration(topic), bindingVersion: BINDING } },
});

const messageOf = (name: string, { summary, key, contentType, examples }: Message) => ({
  name,
  summary,
  contentType,
  headers: schemaRef(`${name}Headers`),
  payload: schemaRef(`${name}Payload`),
  bindings: { kafka: { ...(key ? { key } : {}), bindingVersion: BINDING } },
  ...(examples ? { examples } : {}),
});

/** The broker's settings with the types that the Kafka binding requires. */
const configuration = ({ config }: TopicDeclaration): JsonSchema =>
  Object.fromEntries(
    Object.entries(config).map(([name, value]) => [
      name,
      name === "cleanup.policy" ? value.split(",") : Number.isNaN(Number(value)) ? value : Number(value),
    ]),
  );

function operationsOf({ topic, messages }: Channel) {
  const channel = { $ref: `#/channels/${topic.name}` };
  const messageRefs = Object.keys(messages).map((name) => ({ $ref: `#/channels/${topic.name}/messages/${name}` }));
  const operation = (action: "send" | "receive") => (role: string) => [
    `${role.replace(" ", "-")}.${action}.${topic.name}`,
    { action, title: role, channel, messages: messageRefs },
  ];
  return Object.fromEntries([...topic.writtenBy.map(operation("send")), ...topic.readBy.map(operation("receive"))]);
}
