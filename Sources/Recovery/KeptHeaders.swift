public import FileSystem
public import LocalState

/// What the file system's HEADs have told, kept in a ``HeaderCache``.
extension HeaderCache: AttributeCache {}
