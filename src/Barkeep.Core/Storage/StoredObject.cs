namespace Barkeep.Storage;

/// <summary>An object as a listing shows it.</summary>
/// <param name="Name">The whole name, from the store's root.</param>
/// <param name="Length">Stored bytes.</param>
public readonly record struct StoredObject(string Name, long Length);
