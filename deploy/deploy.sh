#!/usr/bin/env bash
# Makes the infrastructure of one option, and its image: safe to run again, at any time.
#
#   1. account and region   2. terraform apply   3. build the image
#   4. log in to ECR        5. tag and push      6. print the run command
#
# Usage: ./deploy.sh [options]          in option1-ecs-fargate, option2-aws-batch, option3-ec2-spot
#   --image-tag TAG    an image that is in the registry already; nothing is built
#   --rebuild          build the image anew, without docker's cache, though its sources are the same
#   --adopt-table      take over a checkpoint table that is there already
#   --yes              do not ask before terraform apply
#   --dry-run          say what would be done; nothing changes but terraform's own cache here
#   --help
#
# Needs aws, terraform and docker, and terraform.tfvars (copy terraform.tfvars.example).
# PYTHON_IMAGE is the base image, BUILD_OPTIONS more options of `docker build`. The platform is that
# of cpu_architecture.
set -euo pipefail

FOLDER="$(pwd -P)"
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)"
ROOT="$(cd "$HERE/.." && pwd -P)"
# shellcheck source=lib.sh
source "$HERE/lib.sh"

IMAGE_TAG=""
ADOPT_TABLE=no
REBUILD=no
APPROVE=()

parse() {
  while (($#)); do
    case "$1" in
      --image-tag)
        IMAGE_TAG="${2:?--image-tag needs a tag}"
        shift
        ;;
      --rebuild) REBUILD=yes ;;
      --adopt-table) ADOPT_TABLE=yes ;;
      --yes) APPROVE=(-auto-approve -input=false) ;;
      --dry-run) DRY_RUN=yes ;;
      --help)
        usage
        exit 0
        ;;
      *) fail "unknown option $1: see --help" ;;
    esac
    shift
  done
  [[ -z "$IMAGE_TAG" || "$REBUILD" == no ]] || fail "--image-tag builds nothing: leave --rebuild out"
  [[ " ${BUILD_OPTIONS:-}" != *" --platform"* ]] ||
    fail "BUILD_OPTIONS says --platform: set cpu_architecture in terraform.tfvars instead"
}

adopt_table() {
  local addresses
  addresses="$(state_addresses)"
  if [[ "$create_table" == false ]] || has_table "$addresses" || ! table_stands "$table"; then return 0; fi
  [[ "$ADOPT_TABLE" == yes ]] || fail "the table $table is there already: --adopt-table takes it" \
    "over (after destroy.sh), create_table = false in terraform.tfvars uses it and leaves it to its owner"
  run terraform import "${variables[@]}" "$TABLE_ADDRESS" "$table" >&2 ||
    fail "the table $table cannot be taken over: see above"
}

# The tags in the registry, the newest last; none before there is a repository.
pushed_tags() {
  local said
  if said="$(aws ecr describe-images --repository-name "$name" --output text \
    --query 'sort_by(imageDetails[?imageTags], &imagePushedAt)[].imageTags[]' 2>&1)"; then
    tr '\t' '\n' <<<"$said"
  elif [[ "$said" != *RepositoryNotFoundException* ]]; then
    fail "the registry does not say which images it has: $said"
  fi
}

# Sets $base to the base image as it is now, by its digest where a registry gave it one.
find_base() {
  local image="${PYTHON_IMAGE:-$(sed -n 's/^ARG PYTHON_IMAGE=//p' "$ROOT/docker/Dockerfile")}"
  run docker pull --quiet --platform "$platform" "$image" >&2 ||
    say "   $image cannot be pulled: the one that is here is taken"
  base="$(docker image inspect "$image" \
    --format '{{if .RepoDigests}}{{index .RepoDigests 0}}{{else}}{{.Id}}{{end}}' 2>/dev/null)" || base=""
  [[ -n "$base" || "$DRY_RUN" == yes ]] ||
    fail "there is no base image $image: see above (is the engine running?); PYTHON_IMAGE names another"
  python_image="$image"
  if [[ "$base" == *@sha256:* ]]; then python_image="$base"; fi
}

# Sets $IMAGE_TAG, and $is_pushed to whether the registry has it. A tag follows from all that goes
# into an image, as tags are never moved; --rebuild makes another of the same.
find_tag() {
  local tags parts=() digest wanted
  tags="$(pushed_tags)"
  if [[ -n "$IMAGE_TAG" ]]; then
    grep -Fqx -- "$IMAGE_TAG" <<<"$tags" ||
      fail "there is no image $IMAGE_TAG in $name: push it, or leave --image-tag out"
    is_pushed=yes
    return
  fi
  require docker
  find_base
  if [[ -f Dockerfile ]]; then parts=("${FOLDER#"$ROOT"/}/Dockerfile" "${FOLDER#"$ROOT"/}/array_child.py"); fi
  digest="$(source_digest "$ROOT" "${parts[@]+"${parts[@]}"}")"
  digest="$(printf '%s\n' "$digest" "$platform" "$base" "${BUILD_OPTIONS:-}" | checksum)"
  IMAGE_TAG="src-${digest:0:12}"
  wanted="$(grep -Ex -- "$IMAGE_TAG(-[0-9]{14})?" <<<"$tags" | tail -n 1)" || true
  is_pushed=no
  if [[ "$REBUILD" == yes ]]; then
    IMAGE_TAG+="-$(date -u +%Y%m%d%H%M%S)"
  elif [[ -n "$wanted" ]]; then
    IMAGE_TAG="$wanted"
    is_pushed=yes
  fi
}

# Builds the image and names it in $built.
build() {
  local job="csvkafka:$IMAGE_TAG"
  build_image --build-arg "PYTHON_IMAGE=$python_image" --file "$ROOT/docker/Dockerfile" --tag "$job" "$ROOT"
  built="$job"
  if [[ -f Dockerfile ]]; then
    built="csvkafka-${FOLDER##*/}:$IMAGE_TAG"
    build_image --build-arg "JOB_IMAGE=$job" --tag "$built" "$FOLDER"
  fi
}

build_image() {
  local cache=()
  if [[ "$REBUILD" == yes ]]; then cache=(--no-cache); fi
  # Before version 23 docker builds without BuildKit unless asked. BUILD_OPTIONS is a list of words.
  # shellcheck disable=SC2086
  DOCKER_BUILDKIT=1 run docker build --platform "$platform" "${cache[@]+"${cache[@]}"}" ${BUILD_OPTIONS:-} "$@" >&2 ||
    fail "docker build failed: see above (is the engine running? BuildKit needs docker-buildx-plugin)"
}

log_in() {
  if [[ "$DRY_RUN" == yes ]]; then
    say "would run: aws ecr get-login-password | docker login --username AWS --password-stdin $1"
  else
    aws ecr get-login-password | docker login --username AWS --password-stdin "$1" >&2 ||
      fail "the registry $1 lets nobody in: you need ecr:GetAuthorizationToken"
  fi
}

push() {
  local repository
  if [[ "$is_pushed" == yes ]]; then
    say "3-5. the image $name:$IMAGE_TAG is in the registry"
    return
  fi
  # Its host ends differently in each partition of AWS: terraform says it.
  repository="$(known_output repository_url)" || repository="REGISTRY/$name"
  say "3. image"
  build
  say "4. login"
  log_in "${repository%%/*}"
  say "5. push"
  run docker tag "$built" "$repository:$IMAGE_TAG" >&2
  run docker push "$repository:$IMAGE_TAG" >&2 ||
    fail "the image was not pushed: see above, then run it again"
}

parse "$@"
[[ -f common.tf ]] || fail "run it in one of the folders option1-ecs-fargate, option2-aws-batch, option3-ec2-spot"
require aws terraform
require_tfvars

say "1. account and region"
initialize
read_variables
say "   $(account), $AWS_REGION"
check_bucket "$bucket"
if [[ -n "$key" ]] && ! has_source "$bucket" "$key"; then
  say "   there is no s3://$bucket/$key yet: it must be there before the job starts"
fi
platform="linux/amd64"
if [[ "$architecture" == ARM64 ]]; then platform="linux/arm64"; fi
find_tag
variables=(-var "image_tag=$IMAGE_TAG")

say "2. terraform apply"
adopt_table
run terraform apply "${variables[@]}" "${APPROVE[@]+"${APPROVE[@]}"}" >&2 ||
  fail "terraform apply stopped: mend what it says above, then run it again; what is made is kept"
read_outputs

push

say "6. run it:"
if [[ "$DRY_RUN" == no ]]; then
  output run_command
  echo
fi
