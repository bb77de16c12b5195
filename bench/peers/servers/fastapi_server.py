"""FastAPI with SQLAlchemy for employees and ONNX Runtime for predictions, as a team would write it by hand."""

import hashlib
import os
import uuid
from datetime import date
from pathlib import Path

import numpy as np
import onnxruntime as ort
import redis.asyncio as redis
from cars import Car
from fastapi import FastAPI, HTTPException
from fastapi.middleware.gzip import GZipMiddleware
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ForeignKey, select
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, joinedload, mapped_column, relationship

url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://").replace("postgres://", "postgresql+asyncpg://")
engine = create_async_engine(
    url,
    pool_size=int(os.environ["POOL_SIZE"]),
    max_overflow=0,
    connect_args={"server_settings": {"search_path": "auspex"}},
)
session = async_sessionmaker(engine)
cache = redis.from_url(os.environ["REDIS_URL"])
app = FastAPI()
if os.environ.get("COMPRESSION"):
    app.add_middleware(GZipMiddleware)


class Base(DeclarativeBase):
    pass


class Department(Base):
    __tablename__ = "department"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str]


class Employee(Base):
    __tablename__ = "employee"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str]
    age: Mapped[int]
    job_title: Mapped[str]
    hired_on: Mapped[date]
    department_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("department.id"))
    manager_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("employee.id"))
    department: Mapped[Department] = relationship()
    manager: Mapped["Employee | None"] = relationship(remote_side=[id])


class Named(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    name: str


class EmployeeOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: uuid.UUID
    name: str
    email: str
    age: int
    jobTitle: str = Field(validation_alias="job_title")
    hiredOn: date = Field(validation_alias="hired_on")
    department: Named
    manager: Named | None


with_references = select(Employee).options(joinedload(Employee.department), joinedload(Employee.manager))


@app.get("/employees", response_model=list[EmployeeOut])
async def employees(first: int = 50):
    async with session() as db:
        page = with_references.order_by(Employee.name, Employee.id).limit(min(first, 100))
        return (await db.scalars(page)).all()


@app.get("/employees/{employee_id}", response_model=EmployeeOut)
async def employee(employee_id: uuid.UUID):
    async with session() as db:
        found = await db.scalar(with_references.where(Employee.id == employee_id))
    if found is None:
        raise HTTPException(404)
    return found


options = ort.SessionOptions()
options.intra_op_num_threads = 1
model = ort.InferenceSession(Path(os.environ["MODEL_FILE"]), options)
texts = {node.name for node in model.get_inputs() if node.type == "tensor(string)"}
types = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}
dtypes = {node.name: types.get(node.type) for node in model.get_inputs()}


@app.post("/predict")
async def predict(cars: list[Car]) -> list[float]:
    return run(cars)


@app.post("/cached-predict")
async def cached_predict(cars: list[Car]) -> list[float]:
    keys = ["car:" + hashlib.sha256(car.model_dump_json().encode()).hexdigest() for car in cars]
    known = await cache.mget(keys)
    missing = [row for row, price in enumerate(known) if price is None]
    if missing:
        prices = run([cars[row] for row in missing])
        for row, price in zip(missing, prices, strict=True):
            known[row] = price
            await cache.set(keys[row], price, ex=3600)
    return [float(price) for price in known]


def run(cars: list[Car]) -> list[float]:
    feeds = {}
    for name, dtype in dtypes.items():
        column = [getattr(car, name) for car in cars]
        values = [value or "" for value in column] if name in texts else [np.nan if value is None else value for value in column]
        feeds[name] = np.array(values, dtype=object if name in texts else dtype).reshape(-1, 1)
    (prices,) = model.run(None, feeds)
    return prices.ravel().tolist()
