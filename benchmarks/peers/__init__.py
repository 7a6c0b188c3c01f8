"""What users would pick instead: loaders as they are written every day. They are not part of
csvkafka, and keep none of its promises."""
