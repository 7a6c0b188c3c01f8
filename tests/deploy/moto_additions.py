"""What AWS does, as documented, and moto does not: put over the classes of moto."""

from __future__ import annotations

import copy
import json
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def apply() -> None:
    """From now on this process's moto does all of it."""
    _leave_out_tags_of_launch_templates()
    _request_spot_instances_that_are_run()
    _keep_groups_that_rules_refer_to()
    _tell_descriptions_of_rules()
    _tell_children_of_array_jobs_their_index()
    _keep_time_limits_of_job_queues()
    _find_state_machines_valid()
    _run_tasks_whose_containers_name_no_memory()
    _let_tasks_speak_and_end()
    _let_jobs_of_batch_speak_and_end()
    _note_what_is_asked()


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


def _tell_descriptions_of_rules() -> None:
    """moto tells them of rules for addresses alone, not of those for groups."""
    from moto.ec2.models.security_groups import SecurityGroupRule

    def description(self: Any) -> str | None:
        return self.ip_range.get("Description") or self.source_group.get("Description")

    SecurityGroupRule.description = property(description)


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


ASKED_VARIABLE = "MOTO_ASKED"
"""Where the server notes what it is asked: a line `service:Operation user-agent` each."""


def _note_what_is_asked() -> None:
    """Where moto would hold a call against the caller's policies, if it were told to."""
    from moto.core.authorization import ActionAuthenticatorMixin

    place = os.environ.get(ASKED_VARIABLE, os.devnull)

    def note(self: Any, *_: Any) -> None:
        credential = self.headers.get("Authorization", "")
        service = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", credential)
        if service is not None:
            with Path(place).open("a") as notes:
                notes.write(f"{service[1]}:{self._get_action()} {self.headers.get('User-Agent')}\n")

    ActionAuthenticatorMixin._authenticate_and_authorize_action = note


# -- what nothing here runs: a job that says one line, and ends as its key tells -------------------

ENDS = re.compile(r"exit-(\d+)")
"""A key `a-exit-75.csv` ends so, one with `lasting` not at all, and any other with 0."""


def _speak(logs: Any, options: Mapping[str, str], stream: str, line: str) -> None:
    """Puts a line into a stream of the job's own log group."""
    group = options["awslogs-group"]
    logs.create_log_stream(group, stream)
    logs.put_log_events(group, stream, [{"timestamp": int(time.time() * 1000), "message": line}])


def _exit_code(key: str) -> int:
    found = ENDS.search(key)
    return int(found[1]) if found else 0


def _let_tasks_speak_and_end() -> None:
    """A task's container has an exit code when it has ended, and the task a stop code."""
    from moto.ecs.models import EC2ContainerServiceBackend
    from moto.logs.models import logs_backends

    run_by_moto = EC2ContainerServiceBackend.run_task
    describe_by_moto = EC2ContainerServiceBackend.describe_tasks
    stop_by_moto = EC2ContainerServiceBackend.stop_task

    def run(self: Any, *arguments: Any, **options: Any) -> Any:
        tasks = run_by_moto(self, *arguments, **options)
        logs = logs_backends[self.account_id][self.region_name]
        for task in tasks:
            (container,) = task.containers
            container.exitCode = None
            definition = self.describe_task_definition(task.task_definition_arn)
            log = definition.container_definitions[0]["logConfiguration"]["options"]
            (overrides,) = task.overrides["containerOverrides"]
            given = {each["name"]: each["value"] for each in overrides["environment"]}
            task.ends_with = _exit_code(given.get("S3_KEY") or given["S3_PREFIX"])
            line = f"{' '.join(overrides.get('command', ['load']))} {json.dumps(given)}"
            _speak(logs, log, f"job/{container.name}/{task.id}", line)
        return tasks

    def describe(self: Any, *arguments: Any) -> Any:
        tasks = describe_by_moto(self, *arguments)
        for task in tasks:
            if task.last_status == "STOPPED" and task.containers[0].exitCode is None:
                task.containers[0].exitCode = task.ends_with
                task.stop_code = "EssentialContainerExited"
                # moto would list it among those that shall run.
                task.desired_status = "STOPPED"
        return tasks

    def stop(self: Any, *arguments: Any) -> Any:
        task = stop_by_moto(self, *arguments)
        task.containers[0].exitCode, task.stop_code = 143, "UserInitiated"
        return task

    EC2ContainerServiceBackend.run_task = run
    EC2ContainerServiceBackend.describe_tasks = describe
    EC2ContainerServiceBackend.stop_task = stop


def _let_jobs_of_batch_speak_and_end() -> None:
    """Where no engine runs them; the description of an ended job has its exit code."""
    from moto.batch.models import Job
    from moto.batch_simple.models import BatchSimpleBackend

    details_by_moto = Job._container_details

    def details(self: Any) -> dict[str, Any]:
        found: dict[str, Any] = details_by_moto(self)
        return found if self.exit_code is None else {**found, "exitCode": self.exit_code}

    def finish(self: Any, include_start_attempt: bool, job: Any) -> None:
        self.backend._jobs[job.job_id] = job
        job.log_stream_name = job._stream_name
        environment = job._get_container_property("environment", [])
        given = {each["name"]: each["value"] for each in environment}
        key = given.get("S3_KEY", job.parameters["key"])
        command = job.container_overrides.get("command", ["load"])
        if include_start_attempt and ":" not in job.job_id:  # no parent, no child of an array
            options = job.job_definition.container_properties["logConfiguration"]["options"]
            line = f"{' '.join(command)} {json.dumps(job.parameters)}"
            _speak(job._log_backend, options, job._stream_name, line)
            job._start_attempt()
        job.status = "RUNNING"
        if "lasting" not in key:
            job.exit_code = _exit_code(key)
            job._mark_stopped(success=job.exit_code == 0)

    Job._container_details = details
    BatchSimpleBackend._mark_job_as_finished = finish
