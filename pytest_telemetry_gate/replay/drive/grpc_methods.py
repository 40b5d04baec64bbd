"""What a gRPC method takes and gives, asked of the server or read from a proto file.

https://github.com/grpc/grpc/blob/master/doc/server-reflection.md: version ``v1`` and the older ``v1alpha`` have the same
messages.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_telemetry_gate.errors import DriveError
from pytest_telemetry_gate.support.suggestions import suggest

__all__ = ["GrpcMethod", "find_method", "method_by_reflection", "method_of_proto", "module_of_extra"]

_VERSIONS = ("v1", "v1alpha")
_COMPILE = 60.0  # seconds
_MOST_FILES = 1000


@dataclass(frozen=True, slots=True)
class GrpcMethod:
    """A unary method: its full name, and the classes of its messages."""

    path: str
    request: Any
    response: Any


def module_of_extra(name: str, package: str) -> Any:
    """Return a module of the extra ``grpc``; raises DriveError where it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError:
        message = f"drive.grpc needs {package}: pip install pytest-telemetry-gate[grpc]"
        raise DriveError(message) from None


def find_method(pool: Any, name: str) -> GrpcMethod:
    """Return ``package.Service/Method`` of a descriptor pool; raises DriveError."""
    service_name, _, method_name = name.partition("/")
    try:
        service = pool.FindServiceByName(service_name)
    except KeyError:
        message = f"there is no gRPC service {service_name!r}"
        raise DriveError(message) from None
    method = service.methods_by_name.get(method_name)
    if method is None:
        known = list(service.methods_by_name)
        message = f"gRPC service {service_name} has no method {method_name!r}{suggest(method_name, known)}"
        raise DriveError(message)
    if method.client_streaming or method.server_streaming:
        message = f"{name} is a stream; unary calls are driven alone"
        raise DriveError(message)
    from google.protobuf.message_factory import GetMessageClass

    return GrpcMethod(
        f"/{service_name}/{method_name}",
        GetMessageClass(method.input_type),
        GetMessageClass(method.output_type),
    )


def method_of_proto(path: Path, name: str) -> GrpcMethod:
    """Return a method of a ``.proto`` file, which may import others of its folder; raises DriveError."""
    include = Path(module_of_extra("grpc_tools", "grpcio-tools").__file__).parent / "_proto"
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "descriptors"
        options = [f"-I{path.parent}", f"-I{include}", f"--descriptor_set_out={out}", "--include_imports"]
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter
                [sys.executable, "-m", "grpc_tools.protoc", *options, str(path)],
                capture_output=True,
                text=True,
                timeout=_COMPILE,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            message = f"{path.name}: cannot be compiled: {error}"
            raise DriveError(message) from None
        if done.returncode:
            words = done.stderr.replace(str(path), path.name).strip()
            message = words or f"{path.name}: cannot be compiled"
            raise DriveError(message)
        files = FileDescriptorSet.FromString(out.read_bytes()).file
    return find_method(_pool_of(files), name)


def method_by_reflection(channel: Any, name: str, timeout: float) -> GrpcMethod:
    """Ask a server what a method takes and gives; raises DriveError, and grpc's RpcError where it cannot be asked."""
    grpc = module_of_extra("grpc", "grpcio")
    messages = module_of_extra("grpc_reflection.v1alpha.reflection_pb2", "grpcio-reflection")
    service = name.partition("/")[0]
    for version in _VERSIONS:
        ask = _asking(channel, messages, version, timeout)
        try:
            files = _files_of(ask, messages, service)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                raise
            continue
        return find_method(_pool_of(files), name)
    message = (
        f"the server does not tell what {name} takes (no gRPC reflection): `proto` names a file that does"
    )
    raise DriveError(message)


def _asking(channel: Any, messages: Any, version: str, timeout: float) -> Callable[[Any], Any]:
    call = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=messages.ServerReflectionRequest.SerializeToString,
        response_deserializer=messages.ServerReflectionResponse.FromString,
    )
    return lambda request: next(call(iter([request]), timeout=timeout))


def _files_of(ask: Callable[[Any], Any], messages: Any, service: str) -> list[Any]:
    """Return the descriptors of the file that has a service, and of all that it imports."""
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    found: dict[str, Any] = {}
    waiting = [messages.ServerReflectionRequest(file_containing_symbol=service)]
    while waiting and len(found) < _MOST_FILES:
        answer = ask(waiting.pop())
        if answer.HasField("error_response"):
            message = f"the server knows no {service}: {answer.error_response.error_message}"
            raise DriveError(message)
        for content in answer.file_descriptor_response.file_descriptor_proto:
            file = FileDescriptorProto.FromString(content)
            if file.name not in found:
                found[file.name] = file
                waiting += [
                    messages.ServerReflectionRequest(file_by_filename=name)
                    for name in file.dependency
                    if name not in found
                ]
    return list(found.values())


def _pool_of(files: Iterable[Any]) -> Any:
    """Return a pool of files, each added after those that it imports; raises DriveError where one is missing."""
    from google.protobuf.descriptor_pool import DescriptorPool

    pool, by_name = DescriptorPool(), {file.name: file for file in files}
    added: set[str] = set()

    def add(name: str) -> None:
        if name in added:
            return
        added.add(name)
        for dependency in by_name[name].dependency:
            if dependency in by_name:
                add(dependency)
        pool.Add(by_name[name])

    try:
        for name in by_name:
            add(name)
    except TypeError as error:
        message = f"descriptors of gRPC that do not go together: {error}"
        raise DriveError(message) from None
    return pool
