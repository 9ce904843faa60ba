namespace Barkeep.Tests.Rig;

/// <summary>Clears what does not count in a page.</summary>
/// <param name="path">The file's, relative to the data directory.</param>
/// <param name="page">8 KiB, or less at the end of a file that is no relation's.</param>
public delegate void PageMask(string path, Span<byte> page);
