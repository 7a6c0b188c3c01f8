#!/bin/bash
# Runs a class of Kafka's jars; the variables that the public image's script knows are honoured.
# The archive of classes has this very class path, so the jars are named, in one order. A JVM that
# finds none, or one that does not fit its options, goes on without it; -Xlog keeps that to itself.
# shellcheck disable=SC2086 # each of them holds several options
jars=(/opt/kafka/libs/*.jar)
IFS=: class_path="${jars[*]}"
IFS=$' \t\n'
exec java ${KAFKA_HEAP_OPTS:--Xmx1G} ${KAFKA_JVM_PERFORMANCE_OPTS:--XX:+UseSerialGC} \
    -XX:SharedArchiveFile=/opt/kafka/kafka.jsa -Xlog:disable \
    -XX:-UsePerfData -Djava.awt.headless=true \
    -Dorg.slf4j.simpleLogger.showDateTime=true \
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS" \
    ${KAFKA_OPTS:-} -cp "$class_path" "$@"
