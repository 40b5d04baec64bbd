"""Types of attributes that the package of the semantic conventions does not have.

All stable attributes, whose types OpenTelemetry promises to keep, and those in development that instrumentations have
exported with the same type for years. An attribute that is not here has a type that is not known; those of a Weaver
registry are all known. Enums have the type of their values.
"""

from __future__ import annotations

__all__ = ["ATTRIBUTE_TYPES", "TEMPLATE_TYPES"]

_NAMES = {
    "int": """
        client.port code.column.number code.line.number db.operation.batch.size db.response.returned_rows
        http.request.body.size http.request.resend_count http.request.size http.response.body.size http.response.size
        http.response.status_code k8s.container.restart_count messaging.batch.message_count messaging.message.body.size
        messaging.message.envelope.size network.local.port network.peer.port process.parent_pid process.pid
        server.port thread.id url.port
    """,
    "bool": """
        exception.escaped faas.coldstart messaging.destination.anonymous messaging.destination.temporary
    """,
    "string[]": """
        container.command_args container.image.repo_digests container.image.tags host.ip host.mac process.command_args
        user.roles
    """,
    "string": """
        client.address cloud.account.id cloud.availability_zone cloud.region cloud.resource_id code.file.path
        code.function.name code.stacktrace container.id container.image.name container.name db.collection.name
        db.namespace db.operation.name db.query.summary db.query.text db.response.status_code db.stored_procedure.name
        device.id exception.message exception.stacktrace exception.type faas.instance faas.name faas.version host.id
        host.name host.type http.request.method_original http.route k8s.cluster.name k8s.cluster.uid
        k8s.container.name k8s.cronjob.name k8s.cronjob.uid k8s.daemonset.name k8s.daemonset.uid k8s.deployment.name
        k8s.deployment.uid k8s.job.name k8s.job.uid k8s.namespace.name k8s.node.name k8s.node.uid k8s.pod.hostname
        k8s.pod.ip k8s.pod.name k8s.pod.start_time k8s.pod.uid k8s.replicaset.name k8s.replicaset.uid
        k8s.statefulset.name k8s.statefulset.uid messaging.client.id messaging.consumer.group.name
        messaging.destination.name messaging.message.id network.local.address network.peer.address
        network.protocol.name network.protocol.version os.description os.name os.version otel.event.name
        otel.scope.name otel.scope.version otel.status_description process.command process.command_line
        process.executable.name process.executable.path process.owner process.runtime.description process.runtime.name
        process.runtime.version rpc.method server.address service.instance.id service.name service.namespace
        service.version session.id telemetry.distro.name telemetry.distro.version telemetry.sdk.name
        telemetry.sdk.version thread.name tls.protocol.version url.domain url.fragment url.full url.path url.query
        url.scheme url.template user.id user_agent.name user_agent.original user_agent.version
    """,
}

# Of what stands below a template's name. Headers and metadata are left out: text is as usual there as lists of texts are.
_TEMPLATES = """
    container.label db.operation.parameter db.query.parameter k8s.cronjob.annotation k8s.cronjob.label
    k8s.daemonset.annotation k8s.daemonset.label k8s.deployment.annotation k8s.deployment.label k8s.job.annotation
    k8s.job.label k8s.namespace.annotation k8s.namespace.label k8s.node.annotation k8s.node.label k8s.pod.annotation
    k8s.pod.label k8s.replicaset.annotation k8s.replicaset.label k8s.statefulset.annotation k8s.statefulset.label
    process.environment_variable
"""

TEMPLATE_TYPES = dict.fromkeys(_TEMPLATES.split(), "string")
ATTRIBUTE_TYPES = {name: type_ for type_, names in _NAMES.items() for name in names.split()}
