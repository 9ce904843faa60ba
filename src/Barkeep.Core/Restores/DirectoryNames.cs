using System.Buffers.Binary;
using System.Text;
using Barkeep.Common;
using Microsoft.Win32.SafeHandles;

namespace Barkeep.Restores;

/// <summary>The names in a directory as they are: bytes, of which .NET would mangle those that are not UTF-8.</summary>
static class DirectoryNames
{
    const int BufferLength = 1 << 15;

    // struct linux_dirent64: u64 inode, s64 offset, u16 length of the entry, u8 type, the name and a zero.
    const int LengthAt = 16;
    const int NameAt = 19;

    static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>All names but <c>.</c> and <c>..</c>, each with the zero that ends it.</summary>
    public static List<byte[]> Read(SafeFileHandle directory, string path)
    {
        var names = new List<byte[]>();
        var buffer = new byte[BufferLength];
        int length;
        while ((length = TargetCalls.List((int)directory.DangerousGetHandle(), buffer)) > 0)
        {
            for (var at = 0; at < length;)
            {
                var size = BinaryPrimitives.ReadUInt16LittleEndian(buffer.AsSpan(at + LengthAt));
                var name = buffer.AsSpan(at + NameAt, size - NameAt);
                name = name[..(name.IndexOf((byte)0) + 1)];
                if (!name.SequenceEqual(".\0"u8) && !name.SequenceEqual("..\0"u8))
                {
                    names.Add(name.ToArray());
                }
                at += size;
            }
        }
        return length == 0 ? names : throw Errno.Last($"reading directory {path}");
    }

    /// <summary>The name as text; null when it is not UTF-8.</summary>
    public static string? TryText(byte[] name)
    {
        try
        {
            return Strict.GetString(name.AsSpan(0, name.Length - 1));
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }
}
