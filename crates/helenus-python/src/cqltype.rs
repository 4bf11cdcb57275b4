//! From a CQL type of the core to its class in `cassandra.cqltypes`.
//!
//! Programs see these classes as `ResultSet.column_types` and in error texts; the native encoders and decoders hand
//! them every value that is out of the ordinary. They are made when asked for: most results never need one.

use helenus_protocol::{CqlType, NativeType, UserDefinedType};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use crate::classes;

/// Classes registered for user-defined types: `{keyspace: {name: class}}`, the dictionary kept by `Cluster`.
pub(crate) type UserTypes<'py> = Option<&'py Bound<'py, PyDict>>;

/// The registered class for `user_type`, if there is one.
pub(crate) fn registered_class<'py>(
    user_types: UserTypes<'py>,
    user_type: &UserDefinedType,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let Some(user_types) = user_types else {
        return Ok(None);
    };
    let Some(of_keyspace) = user_types.get_item(&*user_type.keyspace)? else {
        return Ok(None);
    };
    let class = of_keyspace.cast::<PyDict>()?.get_item(&*user_type.name)?;
    Ok(class.filter(|class| !class.is_none()))
}

/// The class for `ty`.
pub(crate) fn class_of<'py>(
    py: Python<'py>,
    ty: &CqlType,
    user_types: UserTypes<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let cqltypes = classes::cqltypes(py)?;
    match ty {
        CqlType::Native(native) => match native_name(*native) {
            Some(name) => cqltypes.getattr(name),
            None => by_class_name(py, &ty.class_name()),
        },
        CqlType::List(element) => parameterized(py, "ListType", &[class_of(py, element, user_types)?]),
        CqlType::Set(element) => parameterized(py, "SetType", &[class_of(py, element, user_types)?]),
        CqlType::Map(types) => {
            let key = class_of(py, &types.0, user_types)?;
            let value = class_of(py, &types.1, user_types)?;
            parameterized(py, "MapType", &[key, value])
        }
        CqlType::Tuple(elements) => {
            let elements = elements
                .iter()
                .map(|element| class_of(py, element, user_types))
                .collect::<PyResult<Vec<_>>>()?;
            parameterized(py, "TupleType", &elements)
        }
        CqlType::UserDefined(user_type) => user_type_class(py, user_type, user_types),
        CqlType::Vector { element, dimensions } => {
            let element = class_of(py, element, user_types)?;
            let dimensions = dimensions.into_pyobject(py)?.into_any();
            parameterized(py, "VectorType", &[element, dimensions])
        }
        CqlType::Frozen(inner) => class_of(py, inner, user_types),
        CqlType::Custom(name) => by_class_name(py, name),
        other => by_class_name(py, &other.class_name()),
    }
}

fn by_class_name<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    classes::cqltypes(py)?.call_method1(intern!(py, "lookup_casstype"), (name,))
}

/// `ListType.apply_parameters([element])` and its like.
fn parameterized<'py>(
    py: Python<'py>,
    name: &str,
    parameters: &[Bound<'py, PyAny>],
) -> PyResult<Bound<'py, PyAny>> {
    let class = classes::cqltypes(py)?.getattr(name)?;
    class.call_method1(
        intern!(py, "apply_parameters"),
        (PyList::new(py, parameters)?, py.None()),
    )
}

/// The class made by `UserType.make_udt_class`, with the registered class as its `mapped_class`.
pub(crate) fn user_type_class<'py>(
    py: Python<'py>,
    user_type: &UserDefinedType,
    user_types: UserTypes<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let names = PyTuple::new(py, user_type.fields.iter().map(|(name, _)| &**name))?;
    let types = user_type
        .fields
        .iter()
        .map(|(_, ty)| class_of(py, ty, user_types))
        .collect::<PyResult<Vec<_>>>()?;
    let class = classes::user_type(py)?.call_method1(
        intern!(py, "make_udt_class"),
        (
            &*user_type.keyspace,
            &*user_type.name,
            names,
            PyTuple::new(py, types)?,
        ),
    )?;
    if let Some(registered) = registered_class(user_types, user_type)? {
        class.setattr(intern!(py, "mapped_class"), registered)?;
    }
    Ok(class)
}

/// The name in `cassandra.cqltypes`; `None` for the types that travel by class name and are looked up by it.
///
/// `text` is `VarcharType`: servers announce it by the code 0x000D, which the published driver reads as varchar.
fn native_name(native: NativeType) -> Option<&'static str> {
    Some(match native {
        NativeType::Ascii => "AsciiType",
        NativeType::BigInt => "LongType",
        NativeType::Blob => "BytesType",
        NativeType::Boolean => "BooleanType",
        NativeType::Counter => "CounterColumnType",
        NativeType::Date => "SimpleDateType",
        NativeType::Decimal => "DecimalType",
        NativeType::Double => "DoubleType",
        NativeType::Duration => "DurationType",
        NativeType::Float => "FloatType",
        NativeType::Inet => "InetAddressType",
        NativeType::Int => "Int32Type",
        NativeType::SmallInt => "ShortType",
        NativeType::Text => "VarcharType",
        NativeType::Time => "TimeType",
        NativeType::Timestamp => "DateType",
        NativeType::Timeuuid => "TimeUUIDType",
        NativeType::TinyInt => "ByteType",
        NativeType::Uuid => "UUIDType",
        NativeType::Varint => "IntegerType",
        _ => return None,
    })
}
