#!/bin/bash
# Runs a class of Kafka's jars; the variables that the public image's script knows are honoured.
# shellcheck disable=SC2086 # each of them holds several options
exec java ${KAFKA_HEAP_OPTS:--Xmx1G} ${KAFKA_JVM_PERFORMANCE_OPTS:--XX:+UseSerialGC} \
    -XX:-UsePerfData -Djava.awt.headless=true \
    -Dorg.slf4j.simpleLogger.showDateTime=true \
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS" \
    ${KAFKA_OPTS:-} -cp "/opt/kafka/libs/*" "$@"
