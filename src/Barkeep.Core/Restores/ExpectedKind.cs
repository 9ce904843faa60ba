namespace Barkeep.Restores;

/// <summary>What a restored directory has at a path.</summary>
enum ExpectedKind
{
    Directory,

    /// <summary>A file of pages: what is there already may stay in part.</summary>
    File,

    Link,

    /// <summary>Made from scratch by every restore: what is there goes.</summary>
    Anew,

    /// <summary>A file of the restore's own: it stays until the restore replaces it.</summary>
    Own,
}
