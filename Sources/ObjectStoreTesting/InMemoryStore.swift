internal import ObjectStore
