using System.Text;

namespace Barkeep.Storage;

/// <summary>The order of strings by their UTF-8 bytes, in which a file system's names sort the same everywhere.</summary>
static class Utf8Order
{
    public static int Compare(string a, string b)
    {
        // UTF-16 order is UTF-8 order except where surrogates are involved.
        var common = a.AsSpan().CommonPrefixLength(b);
        if (common == a.Length || common == b.Length)
        {
            return a.Length.CompareTo(b.Length);
        }
        return char.IsSurrogate(a[common]) || char.IsSurrogate(b[common])
            ? Encoding.UTF8.GetBytes(a).AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(b))
            : a[common].CompareTo(b[common]);
    }
}
