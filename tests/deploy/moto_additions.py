"""What AWS does, as documented, and moto does not: put over the classes of moto."""

from __future__ import annotations

import copy
import json
from typing import Any


def apply() -> None:
    """From now on this process's moto does all of it."""
    _leave_out_tags_of_launch_templates()
    _request_spot_instances_that_are_run()
    _keep_groups_that_rules_refer_to()
    _tell_children_of_array_jobs_their_index()
    _keep_time_limits_of_job_queues()
    _find_state_machines_valid()
    _run_tasks_whose_containers_name_no_memory()


def _leave_out_tags_of_launch_templates() -> None:
    """moto hands a template's own tags back among those of what it launches; EC2 has them apart."""
    from moto.ec2.models.launch_templates import LaunchTemplateVersion

    made_by_moto = LaunchTemplateVersion.__init__

    def make(self: Any, template: Any, number: int, data: dict[str, Any], text: str) -> None:
        specifications = data.get("TagSpecifications", [])
        launched = [spec for spec in specifications if spec["ResourceType"] != "launch-template"]
        made_by_moto(self, template, number, {**data, "TagSpecifications": launched}, text)

    LaunchTemplateVersion.__init__ = make


def _request_spot_instances_that_are_run() -> None:
    """`run-instances` with market options makes a Spot request, which the instance names."""
    from moto.ec2.models import EC2Backend
    from moto.ec2.models.instances import InstanceBackend
    from moto.ec2.models.spot_requests import SpotInstanceRequest
    from moto.ec2.utils import random_spot_request_id

    run_by_moto = InstanceBackend.run_instances

    class Request(SpotInstanceRequest):  # type: ignore[misc]
        """The request of an instance that runs already."""

        def __init__(self, backend: EC2Backend, instance: Any, tags: dict[str, Any]) -> None:
            self._running = instance
            unset = dict.fromkeys(
                (
                    *("price", "valid_from", "valid_until", "launch_group", "key_name"),
                    *("availability_zone_group", "user_data", "placement", "kernel_id"),
                    *("ramdisk_id", "spot_fleet_id", "instance_interruption_behaviour"),
                )
            )
            super().__init__(
                backend,
                random_spot_request_id(),
                image_id=instance.image_id,
                spot_instance_type="persistent",
                security_groups=[],
                instance_type=instance.instance_type,
                monitoring_enabled=True,
                subnet_id=instance.subnet_id,
                tags=tags,
                **unset,
            )

        def launch_instance(self) -> Any:
            return self._running

    def run(self: Any, *arguments: Any, **options: Any) -> Any:
        reservation = run_by_moto(self, *arguments, **options)
        if options.get("instance_market_options"):
            for instance in reservation.instances:
                request = Request(self, instance, options["tags"])
                self.spot_instance_requests[request.id] = request
                instance.spot_instance_request_id = request.id
        return reservation

    InstanceBackend.run_instances = run


def _keep_groups_that_rules_refer_to() -> None:
    """EC2 deletes no security group that a rule of another one refers to: DependencyViolation."""
    from moto.ec2.exceptions import DependencyViolationError
    from moto.ec2.models.security_groups import SecurityGroupBackend

    delete_by_moto = SecurityGroupBackend._delete_security_group

    def delete(self: Any, vpc_id: str | None, group_id: str) -> None:
        for groups in self.groups.values():
            for group in groups.values():
                named = {
                    source.get("GroupId")
                    for rule in group.ingress_rules
                    for source in rule.source_groups
                }
                if group.id != group_id and group_id in named:
                    message = f"resource {group_id} has a dependent object"
                    raise DependencyViolationError(message)
        delete_by_moto(self, vpc_id, group_id)

    SecurityGroupBackend._delete_security_group = delete


def _tell_children_of_array_jobs_their_index() -> None:
    """A child's container has AWS_BATCH_JOB_ARRAY_INDEX."""
    from moto.batch.models import Job

    get_by_moto = Job._get_container_property

    def get(self: Any, name: str, default: Any) -> Any:
        value = get_by_moto(self, name, default)
        index = self.array_properties.get("index")
        if name != "environment" or index is None:
            return value
        return [*value, {"name": "AWS_BATCH_JOB_ARRAY_INDEX", "value": str(index)}]

    Job._get_container_property = get


def _keep_time_limits_of_job_queues() -> None:
    """moto forgets a queue's jobStateTimeLimitActions."""
    from moto.batch.models import JobQueue
    from moto.batch.responses import BatchResponse

    create_by_moto, describe_by_moto = BatchResponse.createjobqueue, JobQueue.describe

    def create(self: Any) -> Any:
        answer = create_by_moto(self)
        queue = self.batch_backend.get_job_queue_by_name(self._get_param("jobQueueName"))
        queue.time_limits = self._get_param("jobStateTimeLimitActions") or []
        return answer

    def describe(self: Any) -> dict[str, Any]:
        return {**describe_by_moto(self), "jobStateTimeLimitActions": self.time_limits}

    JobQueue.time_limits = []
    BatchResponse.createjobqueue, JobQueue.describe = create, describe


def _find_state_machines_valid() -> None:
    """terraform asks, for their versions too; step_functions.py runs the definition in tests."""
    from moto.stepfunctions.responses import StepFunctionResponse

    def validate(_: Any) -> str:
        return json.dumps({"result": "OK", "diagnostics": [], "truncated": False})

    def list_versions(_: Any) -> str:
        return json.dumps({"stateMachineVersions": []})

    StepFunctionResponse.validate_state_machine_definition = validate
    StepFunctionResponse.list_state_machine_versions = list_versions


def _run_tasks_whose_containers_name_no_memory() -> None:
    """On Fargate the task names it for all its containers."""
    from moto.ecs.models import EC2ContainerServiceBackend

    calculated_by_moto = EC2ContainerServiceBackend._calculate_task_resource_requirements

    def calculate(definition: Any) -> Any:
        with_memory = copy.copy(definition)
        containers = definition.container_definitions
        with_memory.container_definitions = [{"memory": 0, **each} for each in containers]
        return calculated_by_moto(with_memory)

    EC2ContainerServiceBackend._calculate_task_resource_requirements = staticmethod(calculate)
