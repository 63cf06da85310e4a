"""InferenceServer: the engine on an accepted host, started, followed until ready, watched."""

import json
from collections.abc import Mapping

import pulumi
from pulumi.dynamic import Resource

from clore_inference.args import InferenceServerArgs
from clore_inference.host import bootstrap, following
from clore_inference.lifecycle import documents
from clore_inference.lifecycle.installation import beside
from clore_inference.lifecycle.wanted import serve_job
from clore_inference.on_order import (
    child_of,
    followed_from_here,
    host_link,
    last_line,
    part_of,
    started_on,
    told_of,
)
from clore_inference.providers import EngineLivenessProvider
from clore_inference.settings import parsed
from clore_inference.settled import all_settled
from clore_inference.spec import DeploymentSpec


class EngineLiveness(Resource, module="clore", name="EngineLiveness"):
    """A token that is drawn again when the host itself says that the engine is dead."""

    token: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        link: Mapping[str, pulumi.Output[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {**all_settled(link), "token": None}
        super().__init__(EngineLivenessProvider(), name, props, opts)


class InferenceServer(pulumi.ComponentResource):
    """Runs the guide's command line under the host's supervisor.

    Another command line, another order or a dead engine replaces the start; nothing else does, and
    nothing is updated in place, so that a revert after a failure starts the engine again.
    """

    start_id: pulumi.Output[str]
    """Drawn by the host at each start of the engine."""
    ready: pulumi.Resource
    """Exists once the engine has answered on its host."""
    certificate: pulumi.Output[str]
    """With `tls: host` the host's own, in PEM: what clients trust, and nothing else; else empty."""

    def __init__(
        self, name: str, args: InferenceServerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("clore:index:InferenceServer", name, {}, part_of(opts))
        spec = parsed(args)
        if spec.host == "docker":
            from clore_inference import on_docker  # noqa: PLC0415 - imports pulumi-docker

            self.start_id, self.ready = on_docker.served(self, name, spec, args, opts)
            self.certificate = pulumi.Output.from_input("")
            self.register_outputs({"startId": self.start_id})
            return
        job = serve_job(spec)
        link = host_link(args)
        child = child_of(self, opts)
        liveness = EngineLiveness(f"{name}-liveness", link, child)
        triggers: list[pulumi.Input[str]] = [link["order_id"], job.id, liveness.token]
        known = pulumi.Output.all(
            **link,
            **told_of(args),
            endpoint_key=args["endpoint_key"],
            ordered_image=args.get("ordered_image"),
        )
        started = started_on(
            name,
            link,
            script=bootstrap.start_command(),
            document=known.apply(lambda values: documents.start(job, spec, values)),
            triggers=triggers,
            opts=child,
        )
        self._say_what_is_installed(spec, args)
        self.ready = followed = followed_from_here(
            name,
            script=following.follow_command("engine"),
            document=known.apply(lambda values: documents.follow(job, spec, values)),
            triggers=[*triggers, started.stdout],
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[started])),
        )
        # The follower knows best: it starts an engine again that ended before it was ready.
        ended = last_line(followed).apply(json.loads)
        self.start_id = ended.apply(lambda result: str(result["start_id"]))
        self.certificate = ended.apply(lambda result: str(result.get("certificate") or ""))
        self.register_outputs({"startId": self.start_id})

    def _say_what_is_installed(self, spec: DeploymentSpec, args: InferenceServerArgs) -> None:
        """In a preview: another engine than the order's image has is an install, and how large."""
        image = args.get("ordered_image")
        if not pulumi.runtime.is_dry_run() or image is None:
            return

        def say(known: str) -> str:
            text = beside(spec, known)
            if text:
                pulumi.log.info(f"{text}.", self)
            return text

        pulumi.Output.from_input(image).apply(say)
