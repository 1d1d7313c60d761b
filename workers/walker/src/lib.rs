//! Walks containers: zip, tar, gzip, bzip2, xz, zstd.
