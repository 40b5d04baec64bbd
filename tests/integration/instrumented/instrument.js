// What a program is started with to be instrumented: `node --require ./instrument.js shop.js PORT`.
const {registerInstrumentations} = require("@opentelemetry/instrumentation");
const {ExpressInstrumentation} = require("@opentelemetry/instrumentation-express");
const {HttpInstrumentation} = require("@opentelemetry/instrumentation-http");
const {OTLPTraceExporter} = require("@opentelemetry/exporter-trace-otlp-http");
const {defaultResource, resourceFromAttributes} = require("@opentelemetry/resources");
const {BatchSpanProcessor, NodeTracerProvider} = require("@opentelemetry/sdk-trace-node");

const resource = defaultResource().merge(resourceFromAttributes({"service.name": process.env.OTEL_SERVICE_NAME}));
const spanProcessors = [new BatchSpanProcessor(new OTLPTraceExporter())];
new NodeTracerProvider({resource, spanProcessors}).register();
registerInstrumentations({instrumentations: [new HttpInstrumentation(), new ExpressInstrumentation()]});
