'use strict';

/** OpenTelemetry for a command: who called it stands in its environment, and so does where its spans go. */

const { ROOT_CONTEXT, propagation } = require('@opentelemetry/api');
const {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} = require('@opentelemetry/resources');
const { BatchSpanProcessor, NodeTracerProvider } = require('@opentelemetry/sdk-trace-node');

const EXPORTERS = {
  'http/json': () => require('@opentelemetry/exporter-trace-otlp-http'),
  'http/protobuf': () => require('@opentelemetry/exporter-trace-otlp-proto'),
};

/**
 * Start tracing and return the provider, whose `shutdown()` exports what is still waiting.
 *
 * The exporter itself reads OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS, _COMPRESSION and _TIMEOUT. Nothing but what
 * the environment says is told of the machine: the SDK's detectors of hosts and processes are left out.
 */
function start(service, version) {
  const protocol = process.env.OTEL_EXPORTER_OTLP_PROTOCOL || 'http/protobuf';
  if (!(protocol in EXPORTERS)) {
    const known = Object.keys(EXPORTERS).join(', ');
    throw new Error(`OTEL_EXPORTER_OTLP_PROTOCOL: ${protocol} is none of ${known}`);
  }
  const { OTLPTraceExporter } = EXPORTERS[protocol]();
  const provider = new NodeTracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ 'service.name': service, 'service.version': version }))
      .merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
  });
  provider.register();
  return provider;
}

/** Return the context of whoever called, from TRACEPARENT and TRACESTATE. */
function caller() {
  const { TRACEPARENT: traceparent, TRACESTATE: tracestate } = process.env;
  return propagation.extract(ROOT_CONTEXT, { traceparent, tracestate });
}

module.exports = { caller, start };
