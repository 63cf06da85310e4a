"""HfCache: the weights on an order's disk, once, verified."""

import pulumi

from clore_inference.args import HfCacheArgs
from clore_inference.host import bootstrap, following
from clore_inference.lifecycle import documents
from clore_inference.lifecycle.wanted import fetch_job
from clore_inference.on_order import (
    child_of,
    followed_from_here,
    host_link,
    last_line,
    part_of,
    started_on,
    told_of,
)
from clore_inference.settings import parsed


class HfCache(pulumi.ComponentResource):
    """Fetches the files that the engine needs into `$HOME/.cache/huggingface`, and no others.

    On Clore the disk is the container's own: the cache lasts as long as the order. On a Docker host
    it is a named volume that outlives the stack and is found again. The Hugging Face token is on the host only while it fetches.
    """

    snapshot: pulumi.Output[str]
    """One line of JSON: repository, commit and bytes of what arrived."""
    arrived: pulumi.Resource
    """Exists once every file was verified."""

    def __init__(
        self, name: str, args: HfCacheArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("clore:index:HfCache", name, {}, part_of(opts))
        spec = parsed(args)
        if spec.host == "docker":
            from clore_inference import on_docker  # noqa: PLC0415 - imports pulumi-docker

            self.snapshot, self.arrived = on_docker.fetched(self, name, spec, args, opts)
            self.register_outputs({"snapshot": self.snapshot})
            return
        job = fetch_job(spec)
        link = host_link(args)
        child = child_of(self, opts)
        triggers: list[pulumi.Input[str]] = [link["order_id"], job.id]
        known = pulumi.Output.all(**link, **told_of(args), hf_token=args.get("hf_token"))
        started = started_on(
            name,
            link,
            script=bootstrap.start_command(),
            document=known.apply(lambda values: documents.start(job, spec, values)),
            triggers=triggers,
            opts=child,
        )
        self.arrived = followed = followed_from_here(
            name,
            script=following.follow_command("weights"),
            document=known.apply(lambda values: documents.follow(job, spec, values)),
            triggers=triggers,
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[started])),
        )
        self.snapshot = last_line(followed)
        self.register_outputs({"snapshot": self.snapshot})
