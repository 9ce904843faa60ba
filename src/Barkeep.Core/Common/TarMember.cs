namespace Barkeep.Common;

/// <summary>One member of a tar, as its header says.</summary>
/// <param name="Name">As it stands there, but for <c>./</c> before it and <c>/</c> behind it.</param>
/// <param name="Kind">ustar's typeflag: <c>0</c> a file, <c>5</c> a directory, <c>2</c> a symbolic link; anything else as it stands there.</param>
/// <param name="Length">Bytes of content; only files have any.</param>
/// <param name="Link">Where a link leads.</param>
public sealed record TarMember(string Name, char Kind, long Length, string Link)
{
    public const char File = '0';
    public const char SymbolicLink = '2';
    public const char Directory = '5';

    internal const int BlockLength = 512;

    internal static int PaddingOf(long length) => (int)(-length & (BlockLength - 1));
}
